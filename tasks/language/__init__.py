"""What the language tasks are made of: data sets, training, guides and their reading."""

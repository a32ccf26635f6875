"""Language: text to embeddings and back; writers, embedders and the prepared data that the hierarchy learns from."""

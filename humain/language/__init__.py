"""Language: text and embeddings, and causal language models that embeddings steer."""

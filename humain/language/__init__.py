"""Language: text to embeddings and back; writers, embedders and the prepared data that the hierarchy learns from."""

__all__ = [
    "backoff",
    "dataset",
    "embedders",
    "openai_endpoint",
    "plans",
    "preparation",
    "pretrained",
    "redaction",
    "sentences",
    "steering",
    "vocabulary",
    "writers",
]

"""Writers: models that write the text of a plan for a goal; and a ledger of what they wrote."""

__all__ = ["huggingface", "ledger", "openai", "writer", "writing"]

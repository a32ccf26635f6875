"""Writers: models that write the text of a plan for a goal; and a ledger of what they wrote."""

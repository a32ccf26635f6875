"""Writers: what puts a goal into the text of a plan, and a ledger of what they wrote."""

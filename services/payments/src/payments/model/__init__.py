"""The rules of payments: tariffs, payments and the journal. Money is integers of piastres."""

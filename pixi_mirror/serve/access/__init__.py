"""Who may read what of a served mirror: users, passwords, tokens and rights."""

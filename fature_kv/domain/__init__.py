"""Pure rules, no I/O. Each rule of DOMAIN.md has one home here."""

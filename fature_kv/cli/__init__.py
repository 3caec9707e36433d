"""The command line: one module per group of commands, each of them thin.

`main` reads arguments and turns errors into exit codes; `command` is what every command gets; `output` prints one JSON
document or tables, in the person's language. Nothing of ours is decided here.
"""

"""Everything that is written to or read from PostgreSQL: one function an arrow, each a guarded statement.

Functions take a connection inside a transaction that the caller opened; the commit is the caller's.
"""

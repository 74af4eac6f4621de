"""An SQS endpoint for one machine: standard queues in memory, on one event loop, behind the protocol that boto3 speaks.

Nothing is written to disk. PostgreSQL is the truth about what waits, and the pulse sends again what a restart forgot.
"""

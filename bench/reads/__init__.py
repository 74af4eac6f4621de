"""What the API takes to answer when the database holds a million runs."""

"""Whether this host can carry trials out: a file a check, each from measured facts to a finding and its mend."""

"""Models of history for rules: what is expected of an attribute, and how surprising an observation is.

They are trained in the hub by the history's own functions, kept as records with version, training period and back-test, and read from
the journal by the process that runs the rules, so that the same journal gives the same answers.
"""

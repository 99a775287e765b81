"""Processes: BPMN 2.0 with FEEL, run by SpiffWorkflow.

The document is read here (`reading`) into a model of its own (`model`); everything that it says in FEEL is compiled here (`saying`); the
specifications that SpiffWorkflow runs are made of that model (`weaving`), so that no text of a document reaches an evaluator of Python.
Only `specs`, `weaving`, `running` and `state` know SpiffWorkflow, and only the caseworker's process loads them.
"""

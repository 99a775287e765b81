"""Files come in: what a file holds, what of it becomes entities or history, and the work that brings it in.

The hub keeps uploads and jobs (`uploads`, `jobs`, `imports_api`). Everything that opens a file runs in a process of its own
(`worker`): a file is a stranger's, and may be made to do harm.
"""

"""Warnings as other systems read them: the Common Alerting Protocol (CAP) 1.2, its places, its feeds and its signatures."""

"""Duty (值班值守): posts, rosters without gaps, handovers, the escalation of what nobody looks after, and the daily report."""

"""Who may see and do what: identity and policy. Every door asks here, and nothing else decides."""

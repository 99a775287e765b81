"""The sentinel: the process that follows the journal for the rules, and the hub's side of it.

    hub_side   the port `Sentinel` in the hub: starts the process, gives it its orders, hears its signals
    words      what the two say to each other
    following  the process itself: reads, evaluates, tells, and only then writes its checkpoint
    checkpoint what it remembers across restarts
"""

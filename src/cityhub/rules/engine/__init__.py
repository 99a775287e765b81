"""The engine of rules: journal entries in, signals out; pure, and the same entries always give the same signals.

    engine = Engine(models)
    anew, signals = engine.arrange([compile_rule(rule, terms, zone)])   # `anew` want to be shown the present state: `show`, `shown`
    signals = engine.take(entries)                                      # journal entries as they are kept, or `entry_of(...)`
    signals = engine.tick(now)                                          # microseconds since 1970, as nothing came until then

`problems(rule, terms, zone)` says what is wrong with a rule; `engine.rules[id]` tells how it runs (`evaluated`, `trouble`, ...).
"""

"""Tiers (闪存 · 分布式存储 · 蓝光): which data file lies where, what that costs, and the moves between them."""

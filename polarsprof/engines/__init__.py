"""Profiles computed by engines that people already run; each needs its engine, and nothing else here imports one."""

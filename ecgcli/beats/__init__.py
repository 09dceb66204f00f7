"""Beats: cut from recordings, held in one table, split by a named protocol, audited for leaks."""

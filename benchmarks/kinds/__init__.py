"""Kinds of record: what each entry, setting and way to call costs, beside one plain record."""

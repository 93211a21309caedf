"""What iCalendar needs beside its library: time zones as rules, and strict recurrence rules.

Nothing here knows a conference, a store or a bus. The one thing that is read is the tz database: constant
data, kept after it was read once. Source: RFC 5545, 9636.
"""

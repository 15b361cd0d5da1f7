"""The code of the cells that have run, which consoles ask for."""

import fnmatch
import math


class History:
    def __init__(self):
        self.inputs = []  # session, number and code of each cell

    def found(self, hist_access_type, output=False, n=0, start=0, stop=None, pattern="*", unique=False, **_) -> list:
        """Answers a `history_request`, whose fields the arguments are."""
        found = self.inputs
        if hist_access_type == "range":
            found, n = [each for each in found if start <= each[1] < (stop or math.inf)], 0
        elif hist_access_type == "search":
            found = [each for each in found if fnmatch.fnmatchcase(each[2], pattern)]
            found = list({each[2]: each for each in found}.values()) if unique else found
        return [(session, line, (code, None) if output else code) for session, line, code in found[-(n or 0) :]]

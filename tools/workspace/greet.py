"""Says whether a module can be imported: the program that isolation_test starts as a user would."""

import importlib.util
import sys

if __name__ == "__main__":
    FOUND = importlib.util.find_spec(sys.argv[1]) is not None
    print(f"hello; {sys.argv[1]}: {'found' if FOUND else 'not found'}")

from .participants import sizes as sizes
from .rates import Result as Result
from .rates import Summary as Summary
from .rates import Updated as Updated
from .rates import results as results
from .rates import update as update

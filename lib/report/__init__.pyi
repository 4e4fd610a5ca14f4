from . import figures as figures
from . import registry as registry
from . import tables as tables
from . import wording as wording
from .analysis import forest as forest
from .figures import Picture as Picture

from .all_rules import RULES as RULES
from .all_rules import apply as apply
from .all_rules import audit as audit
from .findings import VERDICTS as VERDICTS
from .findings import Finding as Finding
from .review import Review as Review

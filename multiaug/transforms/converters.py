"""What `setting` can check a field with; each is called with the value and the field's name."""

from ._checked import choice as choice
from ._checked import flag as flag
from ._checked import logarithmic as logarithmic
from ._checked import names as names
from ._checked import number as number
from ._checked import pair as pair
from ._checked import probability as probability
from ._checked import size as size
from ._checked import symmetric as symmetric
from ._checked import whole as whole

"""Cleanlab's label issues, worst first. Standard input: labels and probabilities, as JSON."""
import json
import sys

import numpy as np
from cleanlab.filter import find_label_issues

labels, probabilities = (np.array(one) for one in json.load(sys.stdin))
issues = find_label_issues(
    labels, probabilities, return_indices_ranked_by="normalized_margin"
)
print(json.dumps(issues.tolist()))

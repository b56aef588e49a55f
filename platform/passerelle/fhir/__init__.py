"""FHIR R4: what the platform holds, in the resources of the French profiles."""

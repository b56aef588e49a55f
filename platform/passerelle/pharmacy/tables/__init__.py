"""The pharmacy record of one tenant. Every patient-scoped table leads its key with the patient."""

"""As much of AWS as a start needs: identity, signatures, S3, Secrets Manager."""

"""What talks to AWS with boto3: its errors in our words, the session, and S3."""

"""What talks to AWS with boto3: its errors in our words, and S3."""

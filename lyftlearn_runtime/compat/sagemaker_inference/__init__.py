"""What code written for sagemaker-inference imports, where that package is not installed.

The names and behaviour are those of aws/sagemaker-inference-toolkit 1.10; tests/evidence/test_sagemaker_inference.py holds
both side by side. Nothing of Java, gevent or boto3 comes with it: `start_model_server` starts the image's own server.
"""

"""Runs in an environment that has Airflow's Amazon provider: SageMaker's operators, sensors and hook, without a scheduler.

Order and answer are those of remote_program.py.
"""

import os
import warnings

import remote_program

order = remote_program.read_order()
os.environ |= {"AIRFLOW_HOME": order["root"], "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
remote_program.shorten_waits(0.2)
warnings.simplefilter("ignore")

import boto3  # noqa: E402
from airflow.providers.amazon.aws.hooks.sagemaker import SageMakerHook  # noqa: E402
from airflow.providers.amazon.aws.operators import sagemaker as operators  # noqa: E402
from airflow.providers.amazon.aws.sensors import sagemaker as sensors  # noqa: E402

AWS = {"aws_conn_id": None, "region_name": "us-east-1"}
NAME, ROLE, IMAGE = order["name"], order["role"], order["image"]
PLACE = f"s3://{order['bucket']}/{NAME}"
CLUSTER = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
CHANNEL = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"{PLACE}/train/"}}
TRAINING = {
    "TrainingJobName": NAME,
    "RoleArn": ROLE,
    "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
    "HyperParameters": {"alpha": "0.5"},
    "InputDataConfig": [{"ChannelName": "train", "DataSource": CHANNEL}],
    "OutputDataConfig": {"S3OutputPath": f"{PLACE}/out"},
    "ResourceConfig": {**CLUSTER, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 120},
}
VARIANT = {"VariantName": "a", "ModelName": NAME, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}


def run(operator, **arguments):
    task = operator(task_id="task", **arguments, **AWS)
    return task.execute({"ti": None, "task_instance": None, "dag": None})


def hook():
    return SageMakerHook(**AWS)


def train_with_logs():
    told = run(operators.SageMakerTrainingOperator, config=dict(TRAINING), print_log=True, check_interval=1)
    return told["Training"]["TrainingJobStatus"]


def train_again_by_another_name():
    how = {"print_log": False, "check_interval": 1, "action_if_job_exists": "timestamp"}
    return run(operators.SageMakerTrainingOperator, config=dict(TRAINING), **how)["Training"]["TrainingJobName"] != NAME


def training_sensor():
    return sensors.SageMakerTrainingSensor(task_id="sensor", job_name=NAME, print_log=True, **AWS).poke({})


def read_logs():
    return str(hook().describe_training_job_with_log(NAME, {}, [], 1, 0, hook().describe_training_job(NAME), 0)[0])


def process():
    config = {
        "ProcessingJobName": f"{NAME}-p",
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["python3", "-c", "print('processed')"]},
        "ProcessingResources": {"ClusterConfig": {**CLUSTER, "VolumeSizeInGB": 1}},
    }
    told = run(operators.SageMakerProcessingOperator, config=config, check_interval=1, print_log=True)
    return told["Processing"]["ProcessingJobStatus"]


def create_model():
    data = f"{PLACE}/out/{NAME}/output/model.tar.gz"
    config = {"ModelName": NAME, "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": data}}
    return run(operators.SageMakerModelOperator, config=config)["Model"]["ModelName"]


def transform():
    config = {
        "TransformJobName": f"{NAME}-x",
        "ModelName": NAME,
        "TransformInput": {"DataSource": CHANNEL, "ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": f"{PLACE}/transformed"},
        "TransformResources": CLUSTER,
    }
    return run(operators.SageMakerTransformOperator, config=config, check_interval=1)["Transform"]["TransformJobStatus"]


def endpoint(operation, name):
    config = {
        "EndpointConfig": {"EndpointConfigName": name, "ProductionVariants": [VARIANT]},
        "Endpoint": {"EndpointName": NAME, "EndpointConfigName": name},
    }
    told = run(operators.SageMakerEndpointOperator, config=config, operation=operation, check_interval=1)
    return [told["Endpoint"]["EndpointStatus"], told["Endpoint"]["EndpointConfigName"]]


def create_endpoint():
    return endpoint("create", f"{NAME}-1")


def update_endpoint():
    return endpoint("update", f"{NAME}-2")


def endpoint_sensor():
    return sensors.SageMakerEndpointSensor(task_id="sensor", endpoint_name=NAME, **AWS).poke({})


def lists():
    return [len(hook().list_training_jobs(name_contains=NAME)), len(hook().list_processing_jobs(NameContains=NAME))]


def register_a_version():
    group = {"package_group_name": f"{NAME}-g", "package_group_desc": "models"}
    arn = run(
        operators.SageMakerRegisterModelVersionOperator, image_uri=IMAGE,
        model_url=f"{PLACE}/out/{NAME}/output/model.tar.gz", **group,
    )  # fmt: skip
    return arn.rpartition(":")[2]


def delete_a_model():
    return run(operators.SageMakerDeleteModelOperator, config={"ModelName": NAME})


def create_a_notebook():
    how = {"instance_name": NAME, "instance_type": "ml.t3.medium", "role_arn": ROLE}
    return run(operators.SageMakerCreateNotebookOperator, **how)


def start_a_pipeline():
    return run(operators.SageMakerStartPipelineOperator, pipeline_name=NAME)


CASES = (
    train_with_logs, train_again_by_another_name, training_sensor, read_logs, process, create_model, transform, create_endpoint,
    update_endpoint, endpoint_sensor, lists, register_a_version, delete_a_model, create_a_notebook, start_a_pipeline,
)  # fmt: skip


boto3.client("s3").put_object(Bucket=order["bucket"], Key=f"{NAME}/train/d.csv", Body=b"1,2\n3,4\n")
remote_program.carry_out(order, {case.__name__: case for case in CASES})

"""Runs in an environment that has the SageMaker Python SDK v2, not in its local mode: models, endpoints and the registry.

Order and answer are those of remote_program.py.
"""

import remote_program

remote_program.shorten_waits(0.2)

import boto3  # noqa: E402
from sagemaker import ModelPackage  # noqa: E402
from sagemaker.async_inference import AsyncInferenceConfig  # noqa: E402
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer  # noqa: E402
from sagemaker.estimator import Estimator  # noqa: E402
from sagemaker.model import Model  # noqa: E402
from sagemaker.model_monitor import DataCaptureConfig  # noqa: E402
from sagemaker.multidatamodel import MultiDataModel  # noqa: E402
from sagemaker.predictor import Predictor  # noqa: E402
from sagemaker.predictor_async import AsyncPredictor  # noqa: E402
from sagemaker.serializers import CSVSerializer  # noqa: E402
from sagemaker.serverless import ServerlessInferenceConfig  # noqa: E402
from sagemaker.session import Session  # noqa: E402

TYPE = "ml.m5.large"


class Cases:
    """Each method is a case, in the order in which they stand."""

    def __init__(self, order):
        self.name = order["name"]
        self.order = order
        self.session = Session(boto3.Session(), default_bucket=order["bucket"])
        self.place = f"s3://{order['bucket']}/{self.name}"

    def model(self, data=None):
        return Model(
            self.order["image"],
            data or self.fitted.model_data,
            role=self.order["role"],
            predictor_cls=Predictor,
            sagemaker_session=self.session,
        )

    def deploy_from_a_fit(self):
        self.fitted = Estimator(
            self.order["image"], self.order["role"], 1, TYPE,
            output_path=f"{self.place}/out", hyperparameters={"alpha": 0.5}, sagemaker_session=self.session,
        )  # fmt: skip
        self.fitted.fit(job_name=self.name, logs=False)
        predictor = self.fitted.deploy(1, TYPE, endpoint_name=f"{self.name}-fit", serializer=CSVSerializer())
        try:
            return predictor.predict([[1, 2], [3, 4]]).decode().split()
        finally:
            predictor.delete_model()
            predictor.delete_endpoint()

    def deploy_a_model(self):
        self.predictor = self.model().deploy(
            1, TYPE, endpoint_name=f"{self.name}-m", serializer=CSVSerializer(), deserializer=JSONDeserializer(),
            data_capture_config=DataCaptureConfig(enable_capture=False, destination_s3_uri=f"{self.place}/captured"),
        )  # fmt: skip
        return self.predictor.predict([1, 2])

    def other_codecs(self):
        return Predictor(f"{self.name}-m", self.session, CSVSerializer(), CSVDeserializer()).predict([[1, 2], [3, 4]])

    def stream(self):
        return b"".join(self.predictor.predict_stream([1, 2])).decode().strip()

    def update(self):
        self.predictor.update_endpoint(initial_instance_count=2, instance_type=TYPE)
        told = self.session.sagemaker_client.describe_endpoint(EndpointName=f"{self.name}-m")
        return [told["EndpointStatus"], told["ProductionVariants"][0]["CurrentInstanceCount"], self.predictor.predict([1, 2])]

    def list_monitors(self):
        return self.predictor.list_monitors()

    def delete(self):
        self.predictor.delete_model()
        self.predictor.delete_endpoint()
        client = self.session.sagemaker_client
        client.get_waiter("endpoint_deleted").wait(EndpointName=f"{self.name}-m", WaiterConfig={"Delay": 1})
        return [
            client.list_endpoints(NameContains=f"{self.name}-m")["Endpoints"],
            client.list_models(NameContains=f"{self.name}-m")["Models"],
        ]

    def register(self):
        group = f"{self.name}-g"
        package = self.model().register(
            ["text/csv"], ["text/csv"], [TYPE], [TYPE], model_package_group_name=group, description="first"
        )
        self.package = package.model_package_arn
        package.update_approval_status(approval_status="Approved")
        listed = self.session.sagemaker_client.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
        return [[one["ModelPackageVersion"], one["ModelApprovalStatus"]] for one in listed]

    def deploy_a_package(self):
        package = ModelPackage(self.order["role"], model_package_arn=self.package, sagemaker_session=self.session)
        package.predictor_cls = Predictor
        predictor = package.deploy(1, TYPE, endpoint_name=f"{self.name}-p", serializer=CSVSerializer())
        try:
            return predictor.predict([1, 2]).decode().strip()
        finally:
            predictor.delete_endpoint()

    def asynchronous(self):
        config = AsyncInferenceConfig(f"{self.place}/async", failure_path=f"{self.place}/failed")
        predictor = self.model().deploy(
            1, TYPE, endpoint_name=f"{self.name}-a", async_inference_config=config, serializer=CSVSerializer()
        )
        assert isinstance(predictor, AsyncPredictor)
        try:
            return predictor.predict([1, 2], input_path=f"{self.place}/in.csv").decode().strip()
        finally:
            predictor.delete_endpoint()

    def serverless(self):
        self.model().deploy(endpoint_name=f"{self.name}-s", serverless_inference_config=ServerlessInferenceConfig())

    def multi_model(self):
        many = MultiDataModel(f"{self.name}-mm", f"{self.place}/many/", self.model(), sagemaker_session=self.session)
        many.add_model(self.fitted.model_data, "a.tar.gz")
        many.deploy(1, TYPE, endpoint_name=f"{self.name}-mm")
        predictor = Predictor(f"{self.name}-mm", self.session, CSVSerializer())
        try:
            return [*many.list_models(), predictor.predict([1, 2], target_model="a.tar.gz").decode().strip()]
        finally:
            predictor.delete_endpoint()


order = remote_program.read_order()
remote_program.carry_out(order, remote_program.methods(Cases(order), {"model"}))

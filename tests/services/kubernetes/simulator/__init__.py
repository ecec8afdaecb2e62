r"""A Kubernetes cluster in memory, behind a real socket: what a client of Jobs and Deployments meets, fault by fault.

One consistent world (`cluster.Cluster`): objects with resource versions, a Job and a Deployment controller, a garbage
collector and a kubelet in small. A test never waits for it: its time is simulated, and passes by one tick with every request,
with every idle moment of a stream, and while the client sleeps by `cluster.clock`.

    with simulated_cluster() as cluster:                        # the fixture `cluster` dumps its world on failure
        client = lightkube.Client(config=cluster.kubeconfig())
        cluster.life = runs("hello", "world", code=0)           # what the kubelet does with each pod, an edit a tick
        cluster.at_request(5, go_away(6))                       # faults are edits of the world, at a request or at a tick
        ...
        assert cluster.count("GET", "pods/log") == 2            # requests are counted

A life is a generator over the edits of one `pods.Pod`; `yield` lets a tick pass:

    def waits_for_its_image(pod):
        pod.schedule(); yield
        pod.wait("ImagePullBackOff", "Back-off pulling image"); yield
        pod.start(); pod.write("hello\n"); yield
        pod.exit(0)

Edits by hand, from the test's own thread, are as good: `cluster.pods()[0].exit(1)`; `with cluster.lock:` makes several one.
Quota, admission, permissions, tokens: `cluster.quota`, `cluster.admission`, `cluster.forbidden`, `cluster.tokens`.
"""

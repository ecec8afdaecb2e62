"""Words that a secret may be and that every log is full of: to mask them would ruin the log, and hide nothing.

They are what configurations, requests and logs of this field say: of JSON and Python, of AWS and Kubernetes, of databases
and their users. Shorter ones than `secret_forms.SHORTEST` are never masked, and so are not in the list.
"""

from __future__ import annotations

WORDS = frozenset(
    """
    access account action active address administrator algorithm allowed annotations anonymous application arguments
    artifact artifacts assert before binary boolean branch bucket builtin bundle cached cancelled certificate changed
    channel channels charset checkpoint checkpoints client cluster collect column columns command comment commit compare
    completed config configmap configuration connect connection console container containers content context continue
    control counter create created credential credentials cronjob current custom database dataset default defaults delete
    deleted deployment description destination development different digest directory disable disabled docker domain
    double download driver dynamic elastic enable enabled encoding encryption endpoint engine entrypoint environment
    epochs erroneous errors except exception execution existing expected external failed failure feature features fields
    filename filter finally finished folder format framework function gateway global golden google groups handler header
    headers healthy hidden history hostname hyperparameters identity ignore images import inactive inference initial
    inputs instance integer interactive interface internal interval invalid iteration kernel kubeconfig kubernetes labels
    lambda language length library license limits linear listen loading locale localhost location logger logging lowercase
    machine manager manifest manual mapping master maximum memory message messages metadata method metric metrics minimum
    missing models module monitor namespace network normal notebook number numeric object objects offline online optional
    options oracle output outputs package packages parameter parameters parent parity partition password passwords pending
    performance permission pipeline plaintext platform podspec policy postgres postgresql predict prediction prefix
    prepare primary printing private process processing processor production profile program progress project properties
    protocol provider public publish python random reader readonly reason record records redshift region registry release
    remote replica replicas report request requests required resource resources response restart result results return
    revision running runtime sagemaker sample samples schedule schema script search secondary secret secrets security
    select sequence server service serviceaccount session settings shared simple single snapshot snowflake source staging
    standard started starting statement static statistics status stderr stdout stopped storage stream string subject
    subnet subnets succeeded success suffix support switch system tables target targets template terminated tested testing
    threads timeout timestamp tokens training transform trigger tuning undefined unknown update updated upload uppercase
    userdata username validate validation values variable variables vector verbose version volume volumes waiting warning
    warnings website weight weights window windows worker workers workload workspace writer
    """.split()  # noqa: SIM905 - a list of words is read as one
)

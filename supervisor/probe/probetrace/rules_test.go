package main

// ruleScenario is a scenario and what its story must and ("no ...") must not hold; exact: nothing else.
type ruleScenario struct {
	name, scenario, want string
	exact                bool
}

var ruleScenarios = []ruleScenario{
	{
		name:     "R9 none",
		scenario: `{"containers":[{"start":0.31,"end":2.2,"exitCode":1},{"start":3.3}],"duration":5}`,
		want:     "0.31 started, 0.31 ready, 2.2 !started, 2.2 !ready, 3.3 started, 3.3 ready",
		exact:    true,
	},
	{
		name:     "R3 liveness delay equals period",
		scenario: `{"liveness":{"initialDelaySeconds":10,"periodSeconds":10,"script":["S"]},"containers":[{"start":0.31}],"duration":35}`,
		want:     "0.31 started, 0.31 ready, 10 liveness=Success, 10 liveness S, 20 liveness S, 30 liveness S",
		exact:    true,
	},
	{
		name:     "R3 liveness delay equals period, nearly twice",
		scenario: `{"liveness":{"initialDelaySeconds":10,"periodSeconds":10,"script":["S"]},"containers":[{"start":1.31}],"duration":35}`,
		want:     "1.31 started, 1.31 ready, 10 liveness=Success, no 10 liveness S, 20 liveness S, 30 liveness S",
		exact:    true,
	},
	{
		name:     "R4 delay cut to second",
		scenario: `{"liveness":{"initialDelaySeconds":5,"periodSeconds":1,"script":["S"]},"containers":[{"start":0.95}],"duration":7}`,
		want:     "0.95 started, 0.95 ready, 1 liveness=Success, no 4 liveness S, 5 liveness S, 6 liveness S",
	},
	{
		name:     "R6 liveness success resets",
		scenario: `{"liveness":{"periodSeconds":1,"failureThreshold":3,"script":["F","F","S","F","F","S"]},"containers":[{"start":0.31}],"duration":9}`,
		want:     "no * kill liveness, no * liveness=Failure, 5 liveness F, 8 liveness S",
	},
	{
		name:     "R6 R13 startup fail count errors",
		scenario: `{"startup":{"periodSeconds":1,"failureThreshold":3,"script":["F","E","F","E","F"]},"containers":[{"start":0.31}],"duration":8}`,
		want:     "1 startup F, 2 startup E, 2.005 startup E, 2.01 startup E, 3 startup F, 5 startup F, 5.005 startup=Failure, 5.005 kill startup, no 6 startup F",
	},
	{
		name:     "R10 readiness initial failure",
		scenario: `{"readiness":{"periodSeconds":1,"failureThreshold":3,"script":["F","F","S"]},"containers":[{"start":0.31}],"duration":2}`,
		want:     "0.31 readiness=Failure, 0.31 started, 0.31 readiness F, 0.315 readiness F, 1.315 readiness S, 1.32 readiness=Success, 1.32 ready",
		exact:    true,
	},
	{
		name: "R11 startup gate",
		scenario: `{"startup":{"periodSeconds":1,"failureThreshold":10,"script":["F","F","F","S"]},"liveness":{"periodSeconds":1,"script":["F"]},
			"readiness":{"periodSeconds":1,"script":["S"]},"containers":[{"start":0.31}],"duration":5.5}`,
		want: `1 startup=UNKNOWN, 1 readiness=Failure, 1 liveness=Success, 1 startup F, 2 startup F, 3 startup F, 4 startup S, 4.005 startup=Success,
			4.005 started, 4.005 readiness S, 4.01 readiness=Success, 4.01 ready, 5 liveness F, 5.005 readiness S`,
		exact: true,
	},
	{
		name: "R11 startup restart",
		scenario: `{"startup":{"periodSeconds":1,"script":["F","S"]},"readiness":{"periodSeconds":1,"script":["S"]},
			"containers":[{"start":0.31,"end":3.5,"exitCode":1},{"start":3.7}],"duration":6.5}`,
		want: `1 startup F, 2 startup S, 2.005 startup=Success, 2.005 started, 2.01 ready, 3.5 !started, 3.5 !ready, no 3 startup S,
			4 startup=UNKNOWN, 4 startup F, 5 startup S, 5.005 started, 5.01 ready, no 4.005 readiness S`,
	},
	{
		name:     "R13 liveness errors",
		scenario: `{"liveness":{"periodSeconds":1,"failureThreshold":1,"script":["E"]},"containers":[{"start":0.31}],"duration":5}`,
		want:     "1 liveness E, 1.005 liveness E, 1.01 liveness E, 2 liveness E, no * liveness=Failure, no * kill liveness",
	},
	{
		name:     "R13 readiness error keeps",
		scenario: `{"readiness":{"periodSeconds":1,"failureThreshold":1,"script":["S","E"]},"containers":[{"start":0.31}],"duration":5}`,
		want:     "0.315 ready, 1.325 readiness E, 2.315 readiness E, no * !ready",
	},
	{
		name:     "R15 readiness trigger",
		scenario: `{"readiness":{"periodSeconds":10,"script":["F","F","S"]},"containers":[{"start":0.31}],"resyncAt":[1.4],"duration":15}`,
		want: `0.31 readiness=Failure, 0.31 started, 0.31 readiness F, 0.315 readiness F, 1.4 readiness S, 1.405 readiness=Success, 1.405 ready,
			11.4 readiness S`,
		exact: true,
	},
	{
		name:     "R15 readiness then fail trigger",
		scenario: `{"readiness":{"periodSeconds":5,"failureThreshold":1,"script":["S","S","F","S"]},"containers":[{"start":0.31}],"duration":14}`,
		want: `0.31 readiness=Failure, 0.31 started, 0.31 readiness S, 0.315 readiness=Success, 0.315 ready, 0.315 readiness S, 5.315 readiness F,
			5.32 readiness=Failure, 5.32 !ready, 5.32 readiness S, 5.325 readiness=Success, 5.325 ready, 10.32 readiness S`,
		exact: true,
	},
	{
		name: "R16 onfailure exit 1",
		scenario: `{"restartPolicy":"OnFailure","liveness":{"periodSeconds":1,"script":["S"]},
			"containers":[{"start":0.31,"end":2.5,"exitCode":1},{"start":4.6}],"duration":6.5}`,
		want: "2 liveness S, 2.5 !ready, 3 liveness=Failure, no 4 liveness S, 4.6 ready, 5 liveness=Success, 5 liveness S, 6 liveness S, no * kill liveness",
	},
	{
		name: "R17 delete",
		scenario: `{"liveness":{"periodSeconds":1,"script":["S"]},"readiness":{"periodSeconds":1,"failureThreshold":2,"script":["S","S","S","S","S","F"]},
			"containers":[{"start":0.31}],"deleteAt":3.4,"deleteExitsAt":8.6,"duration":10}`,
		want: `3 liveness S, no 4 liveness S, 3.315 readiness S, 4.315 readiness F, 5.315 readiness F, 5.32 readiness=Failure, 5.32 !ready,
			8.315 readiness F, 8.6 !started, no 9.315 readiness F`,
	},
	{
		name: "R18 liveness carry over",
		scenario: `{"liveness":{"periodSeconds":1,"failureThreshold":3,"script":["F"]},
			"containers":[{"start":0.31,"end":2.5,"exitCode":1},{"start":2.7}],"duration":4}`,
		want: "1 liveness F, 2 liveness F, 3 liveness F, 3.005 liveness=Failure, 3.005 kill liveness",
	},
	{
		name: "R18 readiness success carry over",
		scenario: `{"readiness":{"periodSeconds":1,"successThreshold":3,"script":["S"]},"isolated":true,
			"containers":[{"start":0.31,"end":2.5,"exitCode":1},{"start":2.7}],"duration":4}`,
		want: "1 readiness S, 2 readiness S, 3 readiness S, 3.005 readiness=Success, 3.005 ready",
	},
	{
		name: "R19 sidecar never",
		scenario: `{"sidecar":true,"restartPolicy":"Never","liveness":{"periodSeconds":1,"script":["S"]},
			"containers":[{"start":0.31,"end":2.5,"exitCode":0},{"start":4.6}],"duration":6.5}`,
		want: "2 liveness S, 3 liveness=Failure, 5 liveness=Success, 5 liveness S, 6 liveness S",
	},
	{
		name:     "R20 liveness timeout",
		scenario: `{"liveness":{"periodSeconds":3,"timeoutSeconds":2,"failureThreshold":2,"script":["T"]},"containers":[{"start":0.31}],"duration":9}`,
		want:     "3 liveness T, 6 liveness T, 8 liveness=Failure, 8 kill liveness, no 5 liveness=Failure",
	},
	{
		name:     "R20 liveness slow over timeout",
		scenario: `{"liveness":{"periodSeconds":1,"timeoutSeconds":1,"failureThreshold":2,"script":["S:1.5"]},"containers":[{"start":0.31}],"duration":5}`,
		want:     "3 liveness=Failure, 3 kill liveness",
	},
	{
		name: "R21 kubelet restart ready",
		scenario: `{"readiness":{"periodSeconds":5,"failureThreshold":3,"script":["F"]},"kubeletUptime":6,"startedAgo":100,
			"containers":[{"start":0}],"duration":12}`,
		want: "0 started, 0 ready, 0 readiness F, 5 readiness F, 10 readiness F, 10.005 readiness=Failure, 10.005 !ready, 10.005 readiness F",
	},
	{
		name: "R21 the first instance says itself how old it is",
		scenario: `{"readiness":{"periodSeconds":5,"failureThreshold":3,"script":["F"]},"kubeletUptime":6,
			"containers":[{"start":0,"startedAgo":100}],"duration":12}`,
		want: "0 started, 0 ready, 10.005 !ready",
	},
	{
		name: "R17 a worker that nobody stops sees the deletion itself",
		scenario: `{"startup":{"periodSeconds":1,"failureThreshold":10,"script":["F"]},"noStopCall":true,"deleteAt":2.4,"deleteExitsAt":6.6,
			"containers":[{"start":0.31}],"duration":8}`,
		want: "1 startup F, 2 startup F, 3 startup=Success, 3 started, no 3 startup F, no 4 startup F",
	},
	{
		name: "R12 R17 readiness goes on during a slow stop",
		scenario: `{"liveness":{"periodSeconds":1,"failureThreshold":1,"script":["F"],"perInstance":{"1":["S"]}},"readiness":{"periodSeconds":1,"script":["S"]},
			"containers":[{"start":0.31}],"reactToKill":{"stopTakes":3.2,"restartDelay":0.4,"observeExit":true},"duration":6}`,
		want: "1.005 kill liveness, no 2 liveness F, 2.315 readiness S, 4.205 !ready, 4.315 readiness=Failure, 4.605 started, 5 liveness=Success, 5 liveness S",
	},
}

package dockerpod_test

import (
	"testing"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/composepod"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// plainly runs a shell line as root in a container that only mounts a volume, as that of a plain Compose service.
func (w *world) plainly(volume, line string) {
	w.t.Helper()
	id, err := w.engine.CreateContainer(w.t.Context(), engine.ContainerSpec{
		Name: w.project + "-plain", Image: testImage, Cmd: []string{"sh", "-ec", line}, Network: "none",
		Mounts: []engine.Mount{{Volume: volume, Target: "/v"}}, Labels: map[string]string{services.ProjectLabel: w.project},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := composepod.RunToEnd(w.t.Context(), w.engine, id, "the plain container"); err != nil {
		w.t.Fatal(err)
	}
	if err := w.engine.RemoveContainer(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
}

// grouped runs a pod of user 1000 and fsGroup 2000 on a claim, and returns what a shell line says in it.
func (w *world) grouped(name, policy, line string) string {
	w.t.Helper()
	worker := w.run(w.pod(`
metadata: {name: ` + name + `}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsUser: 1000, fsGroup: 2000, fsGroupChangePolicy: ` + policy + `}
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
  containers:
  - name: app
    command: [sleep, infinity]
    volumeMounts: [{name: data, mountPath: /data}]
`))
	out := w.sh(w.until(name, "ready", ready), "app", line)
	worker.Delete(nil)
	w.untilGone(name)
	return out
}

// TestFSGroupOnExistingFilesR154: every start of a pod gives what others left in its volume to its fsGroup, also what containers of
// plain services write between two pods. OnRootMismatch looks at the root of the volume only.
func TestFSGroupOnExistingFilesR154(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	volume := dockerpod.ClaimVolume(nil, w.project, "data")
	if err := w.engine.CreateVolume(t.Context(), engine.VolumeSpec{Name: volume, Labels: dockerpod.ClaimLabels(nil, w.project, "", "data")}); err != nil {
		t.Fatal(err)
	}
	w.plainly(volume, "umask 077; mkdir -p /v/dir/deep; echo old > /v/dir/deep/file; ln -s /etc/passwd /v/link; ln -s dir/deep/file /v/inside")
	const look = "stat -c '%u:%g %a %N' /data /data/dir/deep /data/dir/deep/file /data/link; cat /data/inside; echo new > /data/dir/deep/file && cat /data/inside"
	const want = "0:2000 2775 '/data'\n0:2000 2770 '/data/dir/deep'\n0:2000 660 '/data/dir/deep/file'\n" +
		"0:2000 777 '/data/link' -> '/etc/passwd'\nold\nnew"
	if got := w.grouped("first", "Always", look); got != want {
		t.Errorf("the first pod sees\n%s\nwant\n%s", got, want)
	}
	w.plainly(volume, "umask 077; echo more > /v/later")
	const later = "stat -c '%g %a' /data/later"
	if got := w.grouped("second", "OnRootMismatch", later); got != "2000 600" { // the group by setgid of the root
		t.Errorf("OnRootMismatch: %s", got)
	}
	if got := w.grouped("third", "Always", later); got != "2000 660" {
		t.Errorf("Always: %s", got)
	}
	list, err := w.engine.ListContainers(t.Context(), map[string]string{services.ProjectLabel: w.project, services.KindLabel: dockerpod.KindOwner})
	if err != nil || len(list) != 0 {
		t.Errorf("helpers are left: %v %v", list, err)
	}
	if w.hasEvent("FailedMount") {
		t.Errorf("events: %v", w.events)
	}
}

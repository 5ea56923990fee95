package controller

import (
	"fmt"
	"sort"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/supervisor/backoff"
)

// DaemonBackoff is the back-off of a daemon's failing pod on one node (R191).
type DaemonBackoff = backoff.Entry

// daemonBackoff doubles from 1 s to 15 min and is forgotten after twice that (R191).
var daemonBackoff = backoff.Config{Initial: time.Second, Max: 15 * time.Minute, Expire: 30 * time.Minute}

// daemons is one look at one DaemonSet.
type daemons struct {
	*look
	set   *appsv1.DaemonSet
	owner owner
	hash  string
	// byNode are the pods of each node; pods that have ended and are being deleted are left out.
	byNode map[string][]*corev1.Pod
	acted  bool
}

// daemonSet keeps one pod a node and rolls the template out (R191).
func (l *look) daemonSet(set *appsv1.DaemonSet) {
	d := &daemons{look: l, set: set, owner: ownerOfDaemonSet(set), byNode: map[string][]*corev1.Pod{}}
	d.hash = l.Cache.templateHash(&set.Spec.Template, set.Status.CollisionCount)
	for _, p := range l.podsOf(d.owner) {
		if !ended(p) || p.DeletionTimestamp == nil {
			d.byNode[p.Spec.NodeName] = append(d.byNode[p.Spec.NodeName], p)
		}
	}
	if set.DeletionTimestamp == nil {
		for _, node := range l.Nodes {
			d.manage(node)
		}
		d.leaveNodes()
		if !d.acted && set.Spec.UpdateStrategy.Type != appsv1.OnDeleteDaemonSetStrategyType {
			d.rollOut()
		}
	}
	d.status()
}

func (d *daemons) create(node, why string) {
	p := podFromTemplate(d.owner, &d.set.Spec.Template, d.now)
	p.Spec.NodeName = node
	label(p, appsv1.DefaultDaemonSetUniqueLabelKey, d.hash)
	d.name(p)
	d.acted = true
	d.add(CreatePod{p, Why(why)})
	d.event(d.owner, corev1.EventTypeNormal, "SuccessfulCreate", "Created pod: %s", p.Name)
}

func (d *daemons) delete(p *corev1.Pod, why string) {
	d.acted = true
	d.add(DeletePod{p, Why(why)})
	d.event(d.owner, corev1.EventTypeNormal, "SuccessfulDelete", "Deleted pod: %s", p.Name)
}

// manage brings one node to one pod: it makes a missing one, deletes ended ones (failed ones with back-off), and prunes what
// is too many.
func (d *daemons) manage(node string) {
	if len(d.byNode[node]) == 0 {
		d.create(node, fmt.Sprintf("%s has no pod on node %s", d.owner.text(), node))
		return
	}
	var live []*corev1.Pod
	for _, p := range d.byNode[node] {
		switch {
		case p.DeletionTimestamp != nil:
		case p.Status.Phase == corev1.PodFailed:
			d.failed(p, node)
		case p.Status.Phase == corev1.PodSucceeded:
			d.event(d.owner, corev1.EventTypeNormal, "SucceededDaemonPod", "Found succeeded daemon pod %s on node %s, will try to delete it", p.Name, node)
			d.delete(p, "it has ended (Succeeded) and is made anew")
		default:
			live = append(live, p)
		}
	}
	surge, _ := d.bounds()
	if surge > 0 && len(live) == 0 {
		d.create(node, fmt.Sprintf("%s has no pod on node %s that stays", d.owner.text(), node))
		return
	}
	sort.SliceStable(live, func(i, j int) bool { return live[i].CreationTimestamp.Time.Before(live[j].CreationTimestamp.Time) })
	if surge == 0 {
		for i := 1; i < len(live); i++ {
			d.delete(live[i], fmt.Sprintf("node %s has more than one pod of %s", node, d.owner.text()))
		}
		return
	}
	d.pruneSurge(node, live)
}

// failed deletes a failed pod. If the last such deletion on the node is less than the back-off ago, it waits: for whatever is seen
// next after the back-off, and at the latest until the back-off has passed from the failure on. A changed DaemonSet begins anew.
func (d *daemons) failed(p *corev1.Pod, node string) {
	key := fmt.Sprintf("%s/%d/%s", keyOf(&d.set.ObjectMeta), d.set.Status.ObservedGeneration, node)
	t := backoff.New(daemonBackoff)
	if e, known := d.plan.Memory.Daemons[key]; known {
		t.Restore(key, e)
		if d.now.Sub(e.Updated) < e.Wait {
			d.again(laterOf(e.Updated.Add(e.Wait), finishTime(p).Add(e.Wait)))
			return
		}
	}
	t.AttemptAgain(key, d.now)
	d.plan.Memory.Daemons[key], _ = t.Entry(key)
	d.event(d.owner, corev1.EventTypeWarning, "FailedDaemonPod", "Found failed daemon pod %s on node %s, will try to kill it", p.Name, node)
	d.delete(p, "it has failed and is made anew")
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// pruneSurge lets at most one old and one new pod live, and the old one only until the new one is available or the old one is
// no longer ready.
func (d *daemons) pruneSurge(node string, live []*corev1.Pod) {
	var fresh, stale *corev1.Pod
	for _, p := range live {
		switch {
		case revisionOf(p) == d.hash && fresh == nil:
			fresh = p
		case revisionOf(p) != d.hash && stale == nil:
			stale = p
		default:
			d.delete(p, fmt.Sprintf("node %s has more than one pod of this template of %s", node, d.owner.text()))
		}
	}
	if fresh == nil || stale == nil {
		return
	}
	if !ready(stale) || d.available(fresh, d.set.Spec.MinReadySeconds) {
		d.delete(stale, fmt.Sprintf("%s takes its place on node %s", fresh.Name, node))
	}
}

// leaveNodes deletes pods on nodes that are not there.
func (d *daemons) leaveNodes() {
	wanted := map[string]bool{}
	for _, n := range d.Nodes {
		wanted[n] = true
	}
	for _, p := range d.podsOf(d.owner) {
		if !wanted[p.Spec.NodeName] && p.DeletionTimestamp == nil {
			d.delete(p, fmt.Sprintf("there is no node %s", p.Spec.NodeName))
		}
	}
}

// bounds are maxSurge and maxUnavailable in nodes; both percentages round up. If both are nothing, unavailable is 1.
func (d *daemons) bounds() (surge, unavailable int) {
	r := d.set.Spec.UpdateStrategy.RollingUpdate
	if d.set.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
		return 0, 0
	}
	if r == nil {
		return 0, 1
	}
	surge, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(r.MaxSurge, intstr.FromInt32(0)), len(d.Nodes), true)
	if err != nil {
		surge = 0
	}
	unavailable, err = intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(r.MaxUnavailable, intstr.FromInt32(1)), len(d.Nodes), true)
	if err != nil {
		unavailable = 1
	}
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, unavailable
}

// rollOut replaces pods of an old template (R191): without surge by deleting as many as may be unavailable, with surge by
// making new pods beside the old ones.
func (d *daemons) rollOut() {
	surge, unavailable := d.bounds()
	var broken, candidates []*corev1.Pod
	out, surging := 0, 0
	for _, node := range d.Nodes {
		fresh, stale, ok := d.pair(node)
		switch {
		case !ok:
			out, surging = out+1, surging+1
		case stale == nil && fresh == nil:
			out++
		case fresh != nil:
			if !d.available(fresh, d.set.Spec.MinReadySeconds) || stale != nil && surge == 0 {
				out++
				if stale != nil {
					surging++
				}
			}
		case !d.available(stale, d.set.Spec.MinReadySeconds):
			broken = append(broken, stale)
			out++
		default:
			candidates = append(candidates, stale)
		}
	}
	if surge > 0 {
		d.surge(broken, candidates, surge-surging)
		return
	}
	why := fmt.Sprintf("%s has a new template", d.owner.text())
	for _, p := range broken {
		d.delete(p, why+", and it is not available anyway")
	}
	for i, p := range candidates {
		if i >= unavailable-out {
			return
		}
		d.delete(p, why)
	}
}

func (d *daemons) surge(broken, candidates []*corev1.Pod, room int) {
	why := fmt.Sprintf("%s has a new template", d.owner.text())
	for _, p := range broken {
		d.create(p.Spec.NodeName, why)
	}
	for i, p := range candidates {
		if i >= room {
			return
		}
		d.create(p.Spec.NodeName, why)
	}
}

// pair are the new and the old pod of a node, not counting those being deleted; not ok if there are two of a kind.
func (d *daemons) pair(node string) (fresh, stale *corev1.Pod, ok bool) {
	for _, p := range d.byNode[node] {
		if p.DeletionTimestamp != nil {
			continue
		}
		at := &stale
		if revisionOf(p) == d.hash {
			at = &fresh
		}
		if *at != nil {
			return nil, nil, false
		}
		*at = p
	}
	return fresh, stale, true
}

func (d *daemons) status() {
	s := d.set.Status
	s.ObservedGeneration = d.set.Generation
	s.DesiredNumberScheduled = int32(len(d.Nodes))
	s.CurrentNumberScheduled, s.NumberReady, s.NumberAvailable, s.UpdatedNumberScheduled = 0, 0, 0, 0
	for _, node := range d.Nodes {
		d.countNode(&s, node)
	}
	s.NumberUnavailable = s.DesiredNumberScheduled - s.NumberAvailable
	if sameDaemonSetStatus(&s, &d.set.Status) {
		return
	}
	changed := d.set.DeepCopy()
	changed.Status = s
	d.add(UpdateStatus{
		Object: changed, Kind: "DaemonSet", Name: d.set.Name, Why: "its pods changed",
		Text: fmt.Sprintf("desired=%d current=%d updated=%d ready=%d available=%d unavailable=%d", s.DesiredNumberScheduled,
			s.CurrentNumberScheduled, s.UpdatedNumberScheduled, s.NumberReady, s.NumberAvailable, s.NumberUnavailable),
	})
}

// countNode counts the oldest pod of a node, as only one is wanted.
func (d *daemons) countNode(s *appsv1.DaemonSetStatus, node string) {
	var p *corev1.Pod
	for _, x := range d.byNode[node] {
		if p == nil || x.CreationTimestamp.Time.Before(p.CreationTimestamp.Time) {
			p = x
		}
	}
	if p == nil {
		return
	}
	s.CurrentNumberScheduled++
	if ready(p) {
		s.NumberReady++
		if d.available(p, d.set.Spec.MinReadySeconds) {
			s.NumberAvailable++
		}
	}
	if revisionOf(p) == d.hash {
		s.UpdatedNumberScheduled++
	}
}

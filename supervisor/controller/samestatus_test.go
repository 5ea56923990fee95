package controller

import (
	"reflect"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestEveryFieldOfAConditionCounts: conditions that differ in any one field differ, also in one that a later Kubernetes adds.
func TestEveryFieldOfAConditionCounts(t *testing.T) {
	at := metav1.NewTime(time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC))
	a := appsv1.DeploymentCondition{Type: "a", Status: "a", Reason: "a", Message: "a", LastUpdateTime: at, LastTransitionTime: at}
	same := a
	same.LastUpdateTime = metav1.NewTime(at.In(time.FixedZone("east", 3600)))
	if !sameDeploymentCondition(a, same) {
		t.Error("the same time in another zone counts as a difference")
	}
	for field := range reflect.TypeFor[appsv1.DeploymentCondition]().Fields() {
		b := a
		switch v := reflect.ValueOf(&b).Elem().FieldByIndex(field.Index); v.Kind() {
		case reflect.String:
			v.SetString("b")
		default:
			v.Set(reflect.ValueOf(metav1.NewTime(at.Add(time.Second))))
		}
		if sameDeploymentCondition(a, b) {
			t.Errorf("a difference of %s does not count", field.Name)
		}
	}
}

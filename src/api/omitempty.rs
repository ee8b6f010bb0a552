//! Reads and writes fields as Go does, where an absent field and a zero one are the same.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;
use std::collections::BTreeMap;

/// Amounts by resource name, as `limits` and `requests` hold them.
pub type ResourceList = BTreeMap<String, Written>;

/// The text, empty when absent.
pub fn text(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or_default()
}

/// The flag, false when absent.
pub fn flag(field: Option<bool>) -> bool {
    field.unwrap_or_default()
}

/// The list, empty when absent.
pub fn items<T>(field: &Option<Vec<T>>) -> &[T] {
    field.as_deref().unwrap_or_default()
}

/// The list to change in place, empty when absent.
pub fn items_mut<T>(field: &mut Option<Vec<T>>) -> &mut [T] {
    field.as_deref_mut().unwrap_or_default()
}

/// Sets the field where it is absent or zero (Kubernetes' defaults treat both alike).
pub fn default_to<T: Default + PartialEq>(field: &mut Option<T>, value: impl Into<T>) {
    if field.as_ref().is_none_or(|present| *present == T::default()) {
        *field = Some(value.into());
    }
}

/// Removes the field when it is zero: Go's `omitempty` leaves it out of what is stored and shown.
pub fn omit_zero<T: Default + PartialEq>(field: &mut Option<T>) {
    if field.as_ref().is_some_and(|present| *present == T::default()) {
        *field = None;
    }
}

/// [`omit_zero`] for several fields of one struct.
macro_rules! omit_zeros {
    ($owner:expr; $($field:ident),+ $(,)?) => {
        $($crate::omitempty::omit_zero(&mut $owner.$field);)+
    };
}
pub(crate) use omit_zeros;

//! While a restore switches databases, nobody is served but the web console and what operates the server.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{ResponseError as _, web};
use pilotdeck_services::{Services, Unavailable};

use crate::console::is_for_people;
use crate::error::ApiError;

/// What is answered all the same, if it can be.
const EXEMPT: [&str; 5] = ["/api/admin", "/api/health", "/api/meta", "/health", "/metrics"];

/// Refuses what would meet the switch.
pub(crate) async fn maintenance<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let services = request.app_data::<web::Data<Services>>().expect("the server has services");
    let path = request.path();
    let is_exempt = EXEMPT.iter().any(|start| path.starts_with(start)) || is_for_people(path);
    if services.operations.is_restoring() && !is_exempt {
        let refusal = ApiError::from(Unavailable::Restoring);
        return Ok(request.into_response(refusal.error_response()));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

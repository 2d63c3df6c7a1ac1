//! Who has a second factor, and which codes were spent.

use jiff::Timestamp;
use sqlx::Row;

use super::{Result, Store, micros, optional_time};
use crate::step_up::SecondFactor;

impl Store {
    /// A person's second factor; none when they never began to enrol one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn second_factor(&self, user: &str) -> Result<Option<SecondFactor>> {
        let row = sqlx::query("SELECT generation, confirmed_at, wrong, wrong_at FROM step_up WHERE user_id = $1")
            .bind(user.to_owned())
            .fetch_optional(&self.reads)
            .await?;
        row.map(|row| {
            Ok(SecondFactor {
                generation: row.try_get("generation")?,
                confirmed_at: optional_time(&row, "confirmed_at")?,
                wrong: row.try_get("wrong")?,
                wrong_at: optional_time(&row, "wrong_at")?,
            })
        })
        .transpose()
    }

    /// Begins to enrol a person, or finds what they have.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_second_factor(&self, user: &str) -> Result<SecondFactor> {
        sqlx::query(
            "INSERT INTO step_up (user_id, generation, wrong) VALUES ($1, 0, 0) ON CONFLICT (user_id) DO NOTHING",
        )
        .bind(user.to_owned())
        .execute(&self.writes)
        .await?;
        let begun = SecondFactor { generation: 0, confirmed_at: None, wrong: 0, wrong_at: None };
        Ok(self.second_factor(user).await?.unwrap_or(begun))
    }

    /// Spends the code of a step. False when it, or a later one, was spent before, or the person was reset meanwhile. The
    /// first code that is spent confirms the enrolment.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spend_code(&self, user: &str, generation: i64, step: i64, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE step_up SET last_step = $3, confirmed_at = COALESCE(confirmed_at, $4), wrong = 0, wrong_at = NULL
             WHERE user_id = $1 AND generation = $2 AND (last_step IS NULL OR last_step < $3)",
        )
        .bind(user.to_owned())
        .bind(generation)
        .bind(step)
        .bind(micros(now))
        .execute(&self.writes)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Counts a wrong code.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_wrong_code(&self, user: &str, now: Timestamp) -> Result<()> {
        sqlx::query("UPDATE step_up SET wrong = wrong + 1, wrong_at = $2 WHERE user_id = $1")
            .bind(user.to_owned())
            .bind(micros(now))
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// Resets a person: the old secret is worth nothing, and they enrol anew. False when they have none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reset_second_factor(&self, user: &str) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE step_up SET generation = generation + 1, confirmed_at = NULL, last_step = NULL, wrong = 0,
                 wrong_at = NULL WHERE user_id = $1",
        )
        .bind(user.to_owned())
        .execute(&self.writes)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

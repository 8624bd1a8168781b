"""Which tests start processes, which are slow, and which use OpenVINO."""

from typing import Final

STORY_FILES: Final = frozenset({
    "test_crashes.py",
    "test_log_story.py",
    "test_privacy_crashes.py",
    "test_soak.py",
    "test_stories.py",
})  # fmt: skip
"""Files whose tests start the bot and a real engine, and paint much."""

PROCESS_FILES: Final = STORY_FILES | frozenset({
    "test_changing_stories.py",
    "test_discord_js.py",
    "test_engine_main.py",
    "test_engine_process.py",
    "test_hostile_files.py",
    "test_main.py",
    "test_new_kind.py",
    "test_page_story.py",
    "test_playground_page.py",
    "test_playground_page_actions.py",
    "test_playground_page_conditions.py",
    "test_playground_page_videos.py",
    "test_sandbox.py",
    "test_sanitize.py",
    "test_steering_crashes.py",
    "test_steering_stories.py",
    "test_wheel.py",
})  # fmt: skip
"""Files whose tests start the bot, an engine, a decoder or a browser as a process."""

SLOW_FILES: Final = frozenset({
    "test_batch_invariance.py",
    "test_batching.py",
    "test_bench.py",
    "test_capacity.py",
    "test_capture.py",
    "test_classifiers.py",
    "test_cluster_gateway.py",
    "test_convolutions.py",
    "test_core_failures.py",
    "test_combined_steering.py",
    "test_device.py",
    "test_encode.py",
    "test_engine_contract.py",
    "test_engine_contract_films.py",
    "test_engine_contract_jobs.py",
    "test_engine_core.py",
    "test_fair_queue.py",
    "test_fairness.py",
    "test_gpu_suite.py",
    "test_graphs.py",
    "test_http_server.py",
    "test_hub.py",
    "test_image_variation.py",
    "test_init_image.py",
    "test_job_file.py",
    "test_loading.py",
    "test_matrix_bits.py",
    "test_models.py",
    "test_noise.py",
    "test_openvino_rewrites.py",
    "test_out_of_distribution.py",
    "test_paint.py",
    "test_parity.py",
    "test_postprocess.py",
    "test_preview.py",
    "test_reference_company.py",
    "test_reference_details.py",
    "test_reference_files.py",
    "test_references.py",
    "test_safety.py",
    "test_sampler_properties.py",
    "test_samplers.py",
    "test_scenes.py",
    "test_schedules.py",
    "test_server.py",
    "test_stable_diffusion_xl.py",
    "test_starter.py",
    "test_text_encoder.py",
    "test_trainer.py",
    "test_worker.py",
})  # fmt: skip
"""Files whose tests load a model and compute with torch, or simulate hours of load."""

OPENVINO_FILES: Final = frozenset({
    "test_flexible_batches.py", "test_openvino.py",
    "test_openvino_copies.py",
    "test_openvino_rewrites.py",
    "test_page_story.py",
    "test_settings.py",
    "test_starter.py",
    "test_stories.py",
    "test_wheel.py",
})  # fmt: skip
"""Files whose tests use the default backend of a CPU; the engines of the others use torch."""
